"""What an app may import."""

import subprocess
import sys

import tidegate


def test_every_public_name_is_there_and_the_list_is_sorted() -> None:
    assert tidegate.__all__ == sorted(tidegate.__all__)
    for name in tidegate.__all__:
        assert getattr(tidegate, name) is not None


def test_declaring_an_app_loads_no_connections() -> None:
    script = (
        "import sys; from tidegate import App, JobContext; App('x');"
        "print(sorted({'hiredis', 'obstore', 'starlette', 'jwt'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
