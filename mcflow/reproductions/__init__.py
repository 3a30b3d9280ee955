"""Classic results of the field as small studies, one a file, each judged against the published statement."""
