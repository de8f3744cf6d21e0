"""What runs of this plugin pass on that is no map."""

import os

from pwem.objects import EMFile


class CryodlNetwork(EMFile):
    """A trained network: the folder of its bundle."""

    def __str__(self):
        return f"CryodlNetwork ({os.path.basename(self.getFileName() or '') or 'none'})"
