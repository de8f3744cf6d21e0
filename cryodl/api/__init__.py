"""What Python and the command line call: one module per task, named as its command.

Each runs a method of the engine, has the report drawn and writes both into one folder.
"""
