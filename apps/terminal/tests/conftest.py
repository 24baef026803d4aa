"""Fixtures of the terminal's tests."""

from collections.abc import AsyncIterator

import pytest

from apps.terminal.tests.issuer import TestIssuer, running_issuer


@pytest.fixture
async def issuer() -> AsyncIterator[TestIssuer]:
    """An OpenID Connect issuer on a loopback port."""
    async with running_issuer() as running:
        yield running
