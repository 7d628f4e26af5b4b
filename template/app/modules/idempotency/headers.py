HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
