"""One map in: molecular mask, global and local resolution in the sense of signal to noise out.

After the CryoRes of the slides by Dang Yiming (2023; the method is Dai et al., "CryoRes: local
resolution estimation of cryo-EM density maps by deep learning", J. Mol. Biol. 435, 168059, 2023).
"""
