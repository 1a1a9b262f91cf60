-- The intake's row for whoever pins runs by it: under the lock that keeps its weights, read once the lock was got.
-- A function, since each of its statements sees what was committed before it; a single statement would read first.

CREATE FUNCTION held_intake(key BIGINT) RETURNS SETOF intake LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(key);
  RETURN QUERY SELECT * FROM intake;
END $$;
