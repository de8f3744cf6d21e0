"""Classical estimators of resolution: what they say follows from two half maps, not from training.

FSC of whole maps (`fsc`), FSC in a moving window (`local_fsc`), monogenic amplitude against noise
(`monogenic`) and a sinusoid against noise (`sinusoid`). No filter that multiplies signal and noise
alike moves any of them.
"""
