dnl blackmilter(8): refuse clients by address.  Include in sendmail.mc, first
dnl of the filters: what it refuses, no other filter has to look at.
dnl F= is left empty: while the daemon is down, mail passes unjudged.
INPUT_MAIL_FILTER(`blackmilter', `S=unix:/run/blackmilter/blackmilter.sock, F=, T=C:5s;S:10s;R:10s;E:1m')dnl
