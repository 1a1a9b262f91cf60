"""TLS from the client's side: what a server shows before anything is said."""
