"""The one exception that a user can mend."""


class UserError(ValueError):
    """A mistake in the user's input: its message is one line naming the file or key and the mend.

    The command line prints the message without a traceback and exits with status 2.
    """
