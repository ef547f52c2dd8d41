"""Second entry (二次录入): records typed into forms by clerks of departments whose system has no interface.

``fields`` makes a form of any record type out of its schema, ``filling`` reads what was typed and puts what is wrong
with it back to the fields, ``submitting`` takes it in through the same intake as every other door, ``drafts`` keeps
what is not finished. ``node.web.entry`` shows all of it.
"""
