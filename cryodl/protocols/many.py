"""Sets of volumes in the place of a volume, also those that are still being filled."""

import os
import shutil
import time
from sqlite3 import OperationalError
from subprocess import CalledProcessError

from pwem.objects import SetOfVolumes, Volume
from pyworkflow.object import Float
from pyworkflow.protocol.constants import STATUS_NEW

from cryodl.protocols.maps import plain_path, volume_of

FAILED = "failed.txt"  # why there are no results of a volume
SHOWN = 10  # volumes in a summary
SINGLE_OR_SET = "Volume, SetOfVolumes"  # of a pointer


class AsTheyArrive:
    """Steps for the volumes that are there by now, and one that closes the sets after all.

    A subclass returns from `_stepsOfArrived` the steps that it has inserted, and whether more may
    come.
    """

    def _insertArriving(self):
        # the first step, so that those of volumes keep their numbers when the run is continued;
        # the time makes it another step, which is done again
        self._insertFunctionStep(
            self.closeStep, time.time(), wait=True, prerequisites=[], needsGPU=False
        )
        self._insertNewSteps()

    def _stepsCheck(self):
        if self._insertNewSteps():
            self.updateSteps()

    def _insertNewSteps(self):
        """Insert steps for what has arrived since; return whether there is news."""
        added, growing = self._stepsOfArrived()
        closing = self._steps[0]
        closing.addPrerequisites(*added)
        ready = not growing and closing.isWaiting()
        if ready:
            closing.setStatus(STATUS_NEW)
        return bool(added) or ready

    def closeStep(self, begun):
        """Close the sets; all volumes are done."""
        for name, output in list(self.iterOutputAttributes(SetOfVolumes)):
            self._updateOutputSet(name, output, SetOfVolumes.STREAM_CLOSED)

    def _append(self, name, output, given):
        """Put a volume into the set of an output that is still open; given : set of the input."""
        path = self._getPath(f"{name}.sqlite")
        there = hasattr(self, name) and os.path.exists(path)
        if not there and os.path.exists(path):
            os.remove(path)
        many = SetOfVolumes(filename=path)
        if there:
            many.loadAllProperties()
            many.enableAppend()
        else:
            many.copyInfo(given)
        if there and output.getObjId() in many.getIdSet():
            many.update(output)  # of a run that was stopped after this volume
        else:
            many.append(output)
        self._updateOutputSet(name, many, SetOfVolumes.STREAM_OPEN)
        if not there:
            self._defineSources(getattr(self, name))


class OneOrMany(AsTheyArrive):
    """Take a set in the place of a volume, and give a set of each output.

    What is computed of a volume lies in a folder of its own. One that fails leaves the others. A
    set that is still open is computed as its volumes arrive; a run that is continued goes on where
    it was, and tries once more what has failed.
    """

    _many = "inputVolume"  # the pointer that may lead to a set
    _shown = None  # id of the volume in the set that inputs, files and figures are those of

    # --------------------------- inputs -----------------------------------
    def isOfMany(self):
        """Whether the input is a set."""
        return isinstance(getattr(self, self._many).get(), SetOfVolumes)

    def setShown(self, number):
        """Let inputs, files and figures be those of a volume of the set; None, of none."""
        self._shown = number

    def getShown(self):
        """Return the id of the volume of the set that is shown; None where none is."""
        return self._shown

    def _volume(self):
        """Return the volume to work on: of a set, the one that is shown, or the first."""
        given = volume_of(getattr(self, self._many))
        if not isinstance(given, SetOfVolumes):
            return given
        found = given.getFirstItem() if self._shown is None else given[self._shown]
        return None if found is None else found.clone()

    def _arrived(self):
        """Return the volumes that are in the set by now, and whether it is still open."""
        return arrived(getattr(self, self._many).get())

    def _eachVolume(self, describe):
        """Return lines on the first volume of a set of which there are any; of one, its lines.

        describe : returns the lines on the volume that is shown
        """
        if not self.isOfMany():
            return describe()
        volumes, growing = self._arrived()
        if not volumes and not growing:
            return [f"{self.getParam(self._many).label}: the set is empty."]
        for volume in volumes:
            lines = self._of(volume.getObjId(), describe)
            if lines:
                return [f"{volume_name(volume)}: {line}" for line in lines]
        return []

    def _of(self, number, function):
        """Call a function while a volume of the set is shown."""
        before, self._shown = self._shown, number
        try:
            return function()
        finally:
            self._shown = before

    # --------------------------- files ------------------------------------
    def _getExtraPath(self, *paths):
        folder = [] if self._shown is None else [f"volume_{self._shown:04d}"]
        return super()._getExtraPath(*folder, *paths)

    # --------------------------- steps ------------------------------------
    def _insertAllSteps(self):
        if not self.isOfMany():
            super()._insertAllSteps()
            return
        self._seen = set()
        self._insertArriving()
        for number in self._seen:  # a step whose file is gone is done again
            failed = self._of(number, lambda: self._getExtraPath(FAILED))
            if os.path.exists(failed):
                os.remove(failed)

    def _stepsCheck(self):
        if self.isOfMany():
            super()._stepsCheck()

    def _stepsOfArrived(self):
        volumes, growing = self._arrived()
        numbers = [v.getObjId() for v in volumes if v.getObjId() not in self._seen]
        added = [
            self._insertFunctionStep(
                self.volumeStep, number, prerequisites=[], needsGPU=self._onGpu()
            )
            for number in numbers
        ]
        self._seen.update(numbers)
        return added, growing

    def volumeStep(self, number):
        """Compute all of one volume and put it into the sets of the outputs."""
        self.setShown(number)
        try:
            for step, _ in self._computing():
                step()
            self._appendOutputs()
        except (RuntimeError, ValueError, OSError, CalledProcessError) as error:
            return self._noteFailure(error)
        finally:
            self.setShown(None)
        return []

    def _noteFailure(self, error):
        self.error(f"Volume {self._shown}: {error}")
        shutil.rmtree(self._getExtraPath(), ignore_errors=True)
        os.makedirs(self._getExtraPath())
        with open(self._getExtraPath(FAILED), "w", encoding="utf-8") as file:
            file.write(str(error))
        return [self._getExtraPath(FAILED)]

    def _appendOutputs(self):
        figures = {f"_{name}": value for name, value in self._figures().items()}
        for name, output in self._makeOutputs().items():
            if not isinstance(output, Volume):
                continue  # curves stay with their volume
            output.setObjId(self._shown)
            output.setObjLabel(volume_name(self._volume()))
            for column, value in figures.items():
                setattr(output, column, Float(value))
            given = getattr(self, self._many).get()
            self._append(plural(name), output, given)

    def closeStep(self, begun):
        """Close the sets; all volumes are done."""
        done, failed = self._done()
        if not done:
            why = next(iter(failed.values()), "the set holds no volume")
            raise RuntimeError(f"There is no result of any volume of the set: {why}")
        super().closeStep(begun)

    # --------------------------- outputs ----------------------------------
    def getOutput(self, name):
        """Return an output of the volume that is shown; None where there is none."""
        if not self.isOfMany():
            return getattr(self, name, None)
        many = getattr(self, plural(name), None)
        if many is None or self._shown is None:
            return None
        found = many[self._shown]
        return None if found is None else found.clone()

    def getPossibleOutputs(self):
        if self.isOfMany():
            kinds = type(self)._possibleOutputs
            names = [name for name, kind in kinds.items() if issubclass(kind, Volume)]
            self._possibleOutputs = {plural(name): SetOfVolumes for name in names}
        return self._possibleOutputs

    def getVolumeNames(self):
        """Return what each volume of the set that has results is called, by its id."""
        if not self.isOfMany():
            return {}
        done = self._done()[0]
        return {v.getObjId(): volume_name(v) for v in self._arrived()[0] if v.getObjId() in done}

    def _done(self):
        """Return the ids of volumes with results, and why others have none, by their ids."""
        done, failed = [], {}
        for volume in self._arrived()[0]:
            number = volume.getObjId()
            path = self._of(number, lambda: self._getExtraPath(FAILED))
            if os.path.exists(path):
                with open(path, encoding="utf-8") as file:
                    failed[number] = file.read()
            elif self._of(number, self._isDone):
                done.append(number)
        return done, failed

    def _isDone(self):
        return any(self.getOutput(name) is not None for name in type(self)._possibleOutputs)

    # --------------------------- info -------------------------------------
    def summary(self):
        lines = super().summary()
        if not self.isOfMany():
            return lines
        return self._summaryOfMany() + lines[len(self._summary()) :]

    def _summaryOfMany(self):
        given, growing = self._arrived()
        names = {volume.getObjId(): volume_name(volume) for volume in given}
        done, failed = self._done()
        more = ", and more may come" if growing else ""
        volumes = "volume" if len(names) == 1 else "volumes"
        lines = [f"*{len(done)}* of {len(names)} {volumes} done{more}"]
        lines += [f"{names[n]}: {self._of(n, self._summary)[0]}" for n in done[:SHOWN]]
        if len(done) > SHOWN:
            lines.append(f"... and {len(done) - SHOWN} more: figures are columns of the output")
        return lines + [f"Failed: {names[n]}: {why}" for n, why in failed.items()]


def arrived(known):
    """Return the volumes that are in a set by now, and whether it is still open."""
    # another process fills it: what is known of it here may be old
    given = SetOfVolumes(filename=known.getFileName())
    try:
        given.loadAllProperties()
        return [volume.clone() for volume in given.iterItems()], given.isStreamOpen()
    except OperationalError:  # a set without any volume has no tables
        return [], known.isStreamOpen()
    finally:
        given.close()


def plural(name):
    """Name of the set of all outputs of a name."""
    return f"{name}s"


def volume_name(volume):
    """What a volume of a set is called: its label, or its file."""
    return volume.getObjLabel() or os.path.basename(plain_path(volume))
