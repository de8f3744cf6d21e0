"""Tests of the protocols; a package, so that `scipion tests` finds them."""
