"""The main interpreter alone: the compiled part keeps threads that a subinterpreter would wait for when it ends."""

for name in ("_interpreters", "_xxsubinterpreters"):  # of Python 3.13, and of those before
    try:
        interpreters = __import__(name)
    except ImportError:  # then no other interpreter can be
        continue
    if interpreters.get_current() != interpreters.get_main():
        raise ImportError("irsa cannot be imported in a subinterpreter: import it in the main one")
    break
