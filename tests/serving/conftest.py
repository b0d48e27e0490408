"""A server of a small policy, and a client of it."""

import pytest
from served import SPEC, make_model, make_policy

from muse.serving.client import PolicyClient
from muse.serving.server import PolicyServer


@pytest.fixture(scope="session")
def model():
    return make_model()


@pytest.fixture
def server(model):
    with PolicyServer(make_policy, model, SPEC, max_clients=3) as server:
        server.listen(port=0)
        yield server


@pytest.fixture
def port(server):
    return int(server.address.rpartition(":")[2])


@pytest.fixture
def client(port):
    with PolicyClient(port=port) as client:
        yield client
