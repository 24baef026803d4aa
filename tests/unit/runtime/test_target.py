"""An app is found by module, attribute or path, and what is wrong with it is said."""

from pathlib import Path

import pytest

from tidegate.errors import DeclarationError
from tidegate.runtime.target import load_app

GOOD = "from tidegate import App\napp = App('good')\nother = App('other')\nnumber = 5\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    return tmp_path


def test_a_module_of_the_current_folder_is_found_and_app_is_the_default(project: Path) -> None:
    (project / "one_good.py").write_text(GOOD)
    assert load_app("one_good").name == "good"
    assert load_app("one_good:other").name == "other"


def test_a_file_is_found_by_its_path(project: Path) -> None:
    (project / "package").mkdir()
    (project / "package" / "two_good.py").write_text(GOOD)
    assert load_app("package/two_good.py").name == "good"
    assert load_app("package/two_good.py:other").name == "other"


def test_a_file_outside_is_found_by_its_path(project: Path, tmp_path_factory: object) -> None:
    outside = project.parent / f"{project.name}-outside"
    outside.mkdir()
    (outside / "three_good.py").write_text(GOOD)
    assert load_app(str(outside / "three_good.py")).name == "good"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere:app", "found no 'nowhere'"),
        ("nowhere.at.all:app", "found no 'nowhere.at.all'"),
        ("gone/app.py", "expected a Python file"),
        ("four_good:nothing", "has no 'nothing'"),
        ("four_good:number", "to name a tidegate.App, found int"),
    ],
)
def test_what_cannot_be_found_is_said(project: Path, target: str, message: str) -> None:
    (project / "four_good.py").write_text(GOOD)
    with pytest.raises(DeclarationError, match=message):
        load_app(target)


def test_an_error_while_importing_shows_the_apps_own_lines_alone(project: Path) -> None:
    (project / "broken_import.py").write_text("def f():\n    raise ValueError('no')\nf()\n")
    with pytest.raises(DeclarationError) as caught:
        load_app("broken_import:app")
    text = str(caught.value)
    assert text.startswith("cannot import 'broken_import': ValueError: no")
    assert 'broken_import.py", line 2' in text
    assert "importlib" not in text


def test_a_wrong_declaration_says_in_which_line_it_is(project: Path) -> None:
    (project / "wrong_queue.py").write_text(
        "from tidegate import App\napp = App('a')\napp.queue('No')\n"
    )
    with pytest.raises(DeclarationError) as caught:
        load_app("wrong_queue:app")
    assert caught.value.__notes__ == [f"  {project / 'wrong_queue.py'}, line 3"]


def test_a_module_missing_inside_the_app_is_named(project: Path) -> None:
    (project / "needs_more.py").write_text("import not_installed_here\n")
    with pytest.raises(DeclarationError, match="No module named 'not_installed_here'"):
        load_app("needs_more:app")
