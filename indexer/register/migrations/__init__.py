"""The register's schema, step by step; run by `indexer.register.Register.open`."""
