package minigroup

// MaxPropertiesBytes is how large the properties of one class or account may grow: as Postgres writes jsonb, in bytes.
const MaxPropertiesBytes = 64 << 10

// Account is who has properties of its own: the sub and aud claims of a token.
type Account struct {
	Label    string
	Audience string
}
