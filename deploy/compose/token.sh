#!/bin/sh
# Prints a token of the account dev.example.org, valid for a day, signed with the key that secrets.sh has created.
set -eu
cd "$(dirname "$0")/../secrets"

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
head=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
expires=$(($(date +%s) + 86400))
body=$(printf '{"iss":"iam.example.org","aud":"example.org","sub":"dev","exp":%d}' "$expires" | base64url)
key=$(od -An -v -tx1 issuer.key | tr -d ' \n')
sign=$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64url)
echo "$head.$body.$sign"
