"""Mail servers, greeted."""
