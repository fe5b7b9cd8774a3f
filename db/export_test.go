package db

// NewMigrator is newMigrator, for tests of single migrations.
var NewMigrator = newMigrator
