"""Commands on other machines, by the OpenSSH client: data first, then run, printed or compared."""
