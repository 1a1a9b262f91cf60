"""A rehearsal's calendar: hours pass when somebody says so, while everything else is as real as ever."""
