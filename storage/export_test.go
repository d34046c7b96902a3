package storage

// The queries of operators, by what they are for.
var (
	ListFailed  = listFailed
	CountFailed = countFailed
	ListWaiting = listWaiting
	ListLost    = listLost
	ListLoads   = listLoads
)
