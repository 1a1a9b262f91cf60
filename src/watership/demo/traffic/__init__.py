"""The traffic: clients that never retry, a person who answers late, and a record of every outcome."""
