"""What the rounds of the Python clients share: each check prints one line of JSON."""
import json


def check(what, act):
    try:
        act()
        print(json.dumps({"what": what}, separators=(",", ":")), flush=True)
    except Exception as error:  # a failed check is a result
        print(json.dumps({"what": what, "problem": f"{type(error).__name__}: {error}"}, separators=(",", ":")), flush=True)


def expect_equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"Expected {str(expected)[:200]}, got {str(actual)[:200]}")
