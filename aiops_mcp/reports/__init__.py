"""Reports: what one says, made of answers of the fleet, and the four formats it can have.

Pure: models in, text and bytes out. It must not ask anybody, know a clock, read or write a file.
"""
