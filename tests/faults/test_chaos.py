"""The short form of `make chaos`: a few attacks on a whole running app."""

from pathlib import Path

import pytest

from chaos.run import Run


@pytest.mark.timeout(240)
async def test_attacks_on_a_running_app_lose_nothing_acknowledged(tmp_path: Path) -> None:
    findings = await Run(tmp_path, kills=6, seed=3).run()

    assert findings.violations == []
    assert findings.attacks.total() == 6
    assert findings.jobs > 0
