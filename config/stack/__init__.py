"""The local stack: private servers from wheels, and the processes under one supervisor."""
