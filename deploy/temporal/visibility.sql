-- Drops the indexes of search attributes that a namespace of this service alone does not have. Every start and end of a
-- run is written to all of them: without them Postgres spends about half the time on that. To be executed on the
-- visibility database (temporal_visibility) after Temporal's schema tool, and only if no other application of the server
-- has search attributes. An attribute that is added later may need one of them again.
DROP INDEX IF EXISTS
    by_bool_02, by_bool_03, by_datetime_01, by_datetime_02, by_datetime_03, by_double_01, by_double_02, by_double_03,
    by_int_01, by_int_02, by_int_03, by_text_01, by_text_02, by_text_03,
    by_keyword_05, by_keyword_06, by_keyword_07, by_keyword_08, by_keyword_09, by_keyword_10,
    by_keyword_list_02, by_keyword_list_03;
