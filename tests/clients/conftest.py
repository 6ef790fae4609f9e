import pytest

pytest.register_assert_rewrite("example")


@pytest.fixture
def anyio_backend():
    return "asyncio"
