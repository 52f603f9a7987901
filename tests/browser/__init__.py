"""The interface as a user meets it: JupyterLab and Voila on loopback, a real Chromium, a mouse. `make browser` runs this.

servers.py   starts and stops JupyterLab and Voila, in folders of their own
pages.py     what a user does on a page: run all cells, drag, paint, look
latency.py   how long a picture takes to follow a slider
conftest.py  fixtures: lab, voila, page
"""
