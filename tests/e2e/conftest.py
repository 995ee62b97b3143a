"""A lab for each test that asks for one; what its programs said is shown where the test fails."""
import pytest

import harness


@pytest.fixture
def lab(tmp_path):
    made = harness.Lab(tmp_path)
    yield made
    made.stop()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    made = item.funcargs.get("lab") if hasattr(item, "funcargs") else None
    if report.when == "call" and report.failed and made:
        for name, program in made.programs.items():
            report.sections.append((f"end of {name}'s log", program.err()[-3000:]))
