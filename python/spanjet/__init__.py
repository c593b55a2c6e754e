"""Read answers out of text, exactly and fast, on CPUs, without torch.

>>> import spanjet
>>> reader = spanjet.Reader()
>>> answer = reader.ask("Who built it?", "The bridge was built by Clara Hansen in 1903.")
>>> answer.text
'Clara Hansen'

Names are loaded when they are first used: OpenVINO, which takes 200 ms, with the first `Reader`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
