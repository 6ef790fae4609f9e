import pytest

pytest.register_assert_rewrite("errand")


@pytest.fixture
def anyio_backend():
    return "asyncio"
