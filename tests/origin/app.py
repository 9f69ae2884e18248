"""The app that Cofferdam was made for: Flask under gunicorn's gevent worker, and a C library that blocks.

`/sleep` calls `main()` of the library in ORIGIN_SLEEP, which sleeps for two seconds. gevent patches Python's sockets and
sleeps; it cannot see a C call, and so the event loop stands still for everybody. `/fast` is whom that hurts.
"""

import ctypes
import os

from flask import Flask

library = ctypes.CDLL(os.environ["ORIGIN_SLEEP"])
app = Flask(__name__)


@app.get("/sleep")
def sleep():
    return f"{library.main()}\n"


@app.get("/fast")
def fast():
    return "fast\n"
