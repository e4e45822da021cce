"""The relay: reads committed events off the log of the database and sends them to Kafka, in commit order."""
