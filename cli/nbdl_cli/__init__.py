"""The command line of nbdl: one file a command. Heavy modules are imported inside the commands, so help is quick."""
