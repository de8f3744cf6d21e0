"""What Scipion's own commands make of the plugin, in processes of their own."""

import os
import subprocess
import sys

from pyworkflow.project import Manager
from pyworkflow.tests import BaseTest

from cryodl.plugin import Plugin
from cryodl.tests.scipion_maps import wait_for, write_molecule


def run(*arguments, seconds=300):
    """Run a command with this environment's programs first."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    environment["PATH"] = os.path.dirname(sys.executable) + os.pathsep + environment["PATH"]
    return subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=seconds
    )


class TestScipion(BaseTest):
    def test_protocols_are_listed(self):
        listed = run("scipion", "protocols").stdout
        for name in (
            "CryodlProtLocalResolution",
            "CryodlProtImportResolution",
            "CryodlProtEnhance",
            "CryodlProtSingleMapResolution",
            "CryodlProtResolutionClass",
            "CryodlProtLocalClasses",
            "CryodlProtTrainLocalClasses",
        ):
            self.assertIn(name, listed)

    def test_template_runs_to_the_end(self):
        path = os.path.join(os.environ["SCIPION_HOME"], "molecule.mrc")
        write_molecule(path, (32, 40, 36), 1.5, (0, 0, 0))
        done = run(
            "scipion", "template", "cryodl-local_resolution", "--nogui",
            f"map={path}", "sampling=1.5", "flatten=1", "project_name=FromTemplate",
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        project = Manager().loadProject("FromTemplate")
        wait_for(lambda: all(r.isFinished() for r in project.getRuns(refresh=True)), 300)
        (last,) = (r for r in project.getRuns() if r.getClassName().startswith("Cryodl"))
        self.assertEqual(last.resolution_Volume.getSamplingRate(), 1.5)
        self.assertGreater(last.median_res_init.get(), 2)

    def test_no_network_library_in_scipions_process(self):
        script = (
            "import sys\n"
            "from pwem import Domain\n"
            "protocols = Domain.getProtocols(); Domain.getViewers(); Domain.getWizards()\n"
            "form = protocols['CryodlProtLocalResolution']()\n"
            "assert form._definition.hasParam('inputVolume')\n"
            "heavy = {'keras', 'tensorflow', 'jax', 'torch', 'gemmi'} & set(sys.modules)\n"
            "assert not heavy, heavy\n"
        )
        done = run(sys.executable, "-c", script)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_engine_environment_is_offered_and_not_built_unasked(self):
        packages = []

        class Environment:
            def addPackage(self, name, **options):
                packages.append((name, options))

        Plugin.defineBinaries(Environment())
        ((name, options),) = packages
        self.assertNotIn("-", name)
        self.assertFalse(options["default"])
        ((command, target),) = options["commands"]
        self.assertIn("-m venv", command)
        self.assertTrue(command.endswith(f"touch {target}"))
        self.assertIn("[gpu]" if Plugin.hasGpu() else "[cpu]", command)
