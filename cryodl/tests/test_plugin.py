"""The plugin inside Scipion: discovered, configured, and honest about what is missing."""

import importlib
import json
import os
import subprocess
import sys
from unittest import mock

import pyworkflow as pw
from pwem import Domain
from pyworkflow.tests import BaseTest

import cryodl
from cryodl import protocols
from cryodl.constants import CRYODL_HOME
from cryodl.plugin import Plugin


class TestPlugin(BaseTest):
    def setUp(self):
        self.home = Plugin._vars.get(CRYODL_HOME)

    def tearDown(self):
        Plugin._vars[CRYODL_HOME] = self.home

    def test_discovered_by_entry_point(self):
        self.assertIn("cryodl", Domain.getPlugins())
        plugin = Domain.getPlugins()["cryodl"]._pluginInstance
        self.assertIsInstance(plugin, Plugin)
        self.assertEqual(plugin.getName(), "cryodl")
        self.assertEqual(plugin.getPath(), cryodl.__path__[0])
        templates = sorted(template.getObjId() for template in plugin.getTemplates())
        names = ("enhance", "local_resolution", "resolution_class", "single_map", "validate")
        self.assertEqual(templates, [f"cryodl-{name}" for name in names])

    def test_templates_name_protocols_and_parameters_that_there_are(self):
        protocols = Domain.getProtocols()
        for template in Domain.getPlugins()["cryodl"]._pluginInstance.getTemplates():
            template.replaceEnvVariables()
            template.parseContent()
            for field in template.params.values():
                self.assertTrue(field.getAlias(), field.getTitle())
            template._replaceFields()  # by their defaults
            for entry in json.loads("".join(template.getContent())):
                definition = protocols[entry["object.className"]]()._definition
                for name in set(entry) - {"runMode"}:
                    self.assertTrue(name.startswith("object.") or definition.hasParam(name), name)

    def test_variable_is_registered_with_its_description(self):
        Domain.getPlugins()
        variable = pw.VariablesRegistry.variables()[CRYODL_HOME]
        self.assertEqual(variable.source, "cryodl")
        self.assertIn("environment", variable.description)

    def test_every_protocol_of_a_network_can_average_over_rotations(self):
        networks = (
            protocols.CryodlProtLocalResolution,
            protocols.CryodlProtSingleMapResolution,
            protocols.CryodlProtLocalClasses,
            protocols.CryodlProtResolutionClass,
            protocols.CryodlProtEnhance,
        )
        for network in networks:
            param = network()._definition.getParam("thorough")
            self.assertTrue(param.isExpert(), network)
            self.assertFalse(network().thorough.get())
            self.assertIn("24 times the time", param.help.get())
            for wanted in (False, True):
                protocol = network(thorough=wanted)
                with mock.patch.object(protocol, "_engineInputs", dict):
                    self.assertIs(protocol._engineParams()["thorough"], wanted, network)

    def test_references_are_in_the_bibliography(self):
        bibtex = Domain.getPlugins()["cryodl"]._bibtex
        runs = [getattr(protocols, name)() for name in protocols.__all__ if "Base" not in name]
        cited = {key for run in runs for key in run._citations()}
        self.assertLessEqual({"Dai2023", "Avramov2019", "RamirezAportela2019"}, cited)
        for key in cited:
            self.assertIn("doi", bibtex[key])
            self.assertNotIn("\\", bibtex[key]["author"])  # letters, and no LaTeX
        # of other methods nothing is cited
        run = protocols.CryodlProtLocalResolution()
        self.assertEqual([len(run.getCitations()), len(run.getPackageCitations())], [1, 0])

    def test_logo_lies_in_the_package(self):
        self.assertTrue(os.path.isfile(os.path.join(cryodl.__path__[0], cryodl._logo)))

    def test_submodules_import(self):
        for name in ("protocols", "viewers", "bibtex", "constants"):
            importlib.import_module("cryodl." + name)

    def test_environment_of_the_engine_has_no_pythonpath(self):
        os.environ["PYTHONPATH"] = "/nowhere"
        try:
            environ = Plugin.getEnviron()
        finally:
            del os.environ["PYTHONPATH"]
        self.assertNotIn("PYTHONPATH", environ)
        self.assertEqual(environ["SCIPION_DOMAIN"], "pwem")

    def test_program_answers(self):
        Plugin._vars[CRYODL_HOME] = ""
        out = subprocess.run(
            Plugin.getProgram() + " --version",
            shell=True,
            capture_output=True,
            text=True,
            env=Plugin.getEnviron(),
            check=True,
        )
        self.assertIn(cryodl.__version__, out.stdout)

    def test_program_of_a_separate_environment(self):
        Plugin._vars[CRYODL_HOME] = sys.prefix
        self.assertEqual(Plugin.getProgram(), f'"{sys.prefix}/bin/python" -m cryodl')
        self.assertEqual(Plugin.validateInstallation(), [])

    def test_environment_that_is_missing_is_named(self):
        Plugin._vars[CRYODL_HOME] = "/nowhere/engine"
        (message,) = Plugin.validateInstallation()
        self.assertIn("CRYODL_HOME=/nowhere/engine", message)

    def test_what_computes_may_be_any_of_the_three(self):
        Plugin._vars[CRYODL_HOME] = ""
        for here, enough in (
            (("openvino",), True), (("keras", "torch"), True), (("keras",), False), ((), False),
        ):  # fmt: skip
            with mock.patch("cryodl.plugin.find_spec", lambda name, here=here: name in here):
                said = Plugin.validateInstallation()
            self.assertEqual(not said, enough, here)
            if said:
                self.assertIn("[cpu], [gpu] or [light]", said[0])

    def test_nothing_missing_by_default(self):
        Plugin._vars[CRYODL_HOME] = ""
        self.assertEqual(Plugin.validateInstallation(), [])
