"""Protocols that take many volumes, each with a sampling rate and a size of its own."""

from pwem.objects import SetOfVolumes

from cryodl.protocols.maps import header_differs, is_mrc, plain_path, volume_of, write_plain


def volumes_of(pointers):
    """Return the volumes of every input that is a volume or a set: [(input, [volumes])]."""
    given = [volume_of(pointer) for pointer in pointers]
    return [
        (one, [volume.clone() for volume in one] if isinstance(one, SetOfVolumes) else [one])
        for one in given
        if one is not None
    ]


def is_item(pointer):
    """Whether a pointer leads to an item of a set."""
    return "".join(pointer.getExtendedParts()[-1:]).isdigit()


def flat(groups):
    """Return the volumes of all groups in one list."""
    return [volume for _, volumes in groups for volume in volumes]


class OwnMaps:
    """Files whose headers say what Scipion says of each volume; mixed into a protocol.

    One option cannot correct the headers of many maps, so that files with another sampling rate,
    and volumes of a stack, are written anew.
    """

    def convertInputStep(self):
        """Write the files that the engine cannot take as they are."""
        for name, volume in self._engineInputs().items():
            if not self._isWritten(volume):
                continue
            if is_mrc(plain_path(volume)):
                write_plain(volume, self._convertedPath(name))
            else:
                self._convert(volume, self._convertedPath(name))

    def _enginePath(self, name):
        """Return the path of an input as the engine can read it."""
        volume = self._engineInputs()[name]
        return self._convertedPath(name) if self._isWritten(volume) else plain_path(volume)

    @staticmethod
    def _isWritten(volume):
        path = plain_path(volume)
        stacked = volume.getIndex() > 1 or path.endswith(".mrcs")
        return stacked or not is_mrc(path) or header_differs(path, volume.getSamplingRate())
