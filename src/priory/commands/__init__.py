"""The commands of the shell: functions whose signatures are the options, one a file."""

from priory.commands.compare import compare

COMMANDS = {"compare": compare}
