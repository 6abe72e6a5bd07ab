"""Each in a process of its own: an app that another test serves would be one more."""

import subprocess
import sys
from textwrap import dedent


def alone(script: str) -> None:
    """Run a script in a fresh interpreter; its asserts must hold."""
    command = [sys.executable, "-c", dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr


def test_while_serving_what_is_loaded_is_passed_over_and_threads_take_short_turns() -> None:
    alone("""
        import gc, sys
        import search_api.app  # as much as a server loads
        from indexer.search.serving import prioritise_searches

        before = sys.getswitchinterval(), gc.get_freeze_count()
        with prioritise_searches():
            assert sys.getswitchinterval() <= 0.001
            assert gc.get_freeze_count() > 10_000
            assert gc.isenabled()
        assert (sys.getswitchinterval(), gc.get_freeze_count()) == before
    """)


def test_two_that_serve_in_one_process_may_end_in_any_order() -> None:
    alone("""
        import gc, sys
        import search_api.app  # as much as a server loads
        from indexer.search.serving import prioritise_searches

        before = sys.getswitchinterval(), gc.get_freeze_count()
        first, second = prioritise_searches(), prioritise_searches()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert sys.getswitchinterval() <= 0.001
        assert gc.get_freeze_count() > 10_000
        second.__exit__(None, None, None)
        assert (sys.getswitchinterval(), gc.get_freeze_count()) == before
    """)
