"""Rows of a large source, prepared by many processes in four steps: read, merge, cut, pack.

`job` starts and watches the steps, `run` hands their tasks to datatrove, `task` is one of them;
`steps` is what they do, to the `files` of the parts, in the `order` that the `plan` leads to.
"""
