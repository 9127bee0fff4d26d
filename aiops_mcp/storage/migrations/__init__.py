"""The one list of migrations, for both databases; run at start by ``storage/upgrade.py``."""
