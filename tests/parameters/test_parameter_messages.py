"""What is said of a name that nobody has."""

from gluon_initkit.parameters import did_you_mean


def test_near_names_else_the_first_that_there_are():
    many = [f"{number}.gamma" for number in range(9)]
    assert did_you_mean("3.gama", many).startswith("did you mean '3.gamma' or ")
    assert did_you_mean("xyz", many) == f"there are {', '.join(map(repr, many[:8]))}, …."
    assert did_you_mean("xyz", []) == "there are none."
