"""What outlives the process: one database, SQLite or PostgreSQL by URL, and its migrations.

The only room that imports SQLAlchemy and Alembic. It knows rows and transactions; it must not know
principals, events, or what a credential says (it keeps ciphertext).
"""
