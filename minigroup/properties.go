package minigroup

// MaxPropertiesBytes bounds the properties of one class or account, in bytes of their jsonb text.
const MaxPropertiesBytes = 64 << 10

// Account is the owner of account properties: the sub and aud claims of a token.
type Account struct {
	Label    string
	Audience string
}
