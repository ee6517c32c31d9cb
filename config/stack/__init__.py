"""The local stack: a private Valkey, and the processes of the Procfile under one supervisor.

Everything that runs for as long as the stack does (`__main__`, `stack`, `supervisor`, `guard`, `valkey`, `discovery`)
imports the standard library only: the process that watches the others takes 10 MB instead of 100.
"""
