"""Tests of the viewers and wizards; a package, so that `scipion tests` finds them."""
