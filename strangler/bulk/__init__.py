"""Work that does not come over HTTP: a batch job asks before each unit of it, `strangler admit bulk` answers.

>>> from strangler.bulk import units
>>> for number in units(range(2)):
...     print(number)
0
1
"""

from strangler.bulk.asking import BulkEnded, units

__all__ = ["BulkEnded", "units"]
