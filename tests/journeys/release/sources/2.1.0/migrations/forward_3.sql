-- outside of a transaction
DROP INDEX CONCURRENTLY IF EXISTS orders_by_number;
CREATE INDEX CONCURRENTLY orders_by_number ON orders (number);
