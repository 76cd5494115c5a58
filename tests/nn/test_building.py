"""Building a network: its layers make their parameters, and nothing else happens."""

from nbdl.nn.module import building, is_building


def test_a_part_that_is_built_while_the_network_is_built():
    with building():
        with building():
            pass
        assert is_building()  # or the network's own step would go on to update what it is only to make
    assert not is_building()
