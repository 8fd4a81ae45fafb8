"""The rival: what a competent engineer writes in a day to send resident notes into Buildium.

FastAPI, SQLAlchemy async, Celery on Redis. It shares no line with Frontdesk. What it lacks is
listed in its README, and is part of the comparison.
"""
