// Tenuto: clock, log, motor, player, keys, protocol; a module, so that each function has one scope.
var S=require("Storage"),UP="tenuto.up",RUN="tenuto.run",ID="tenuto.id",NONE="\0\0\0\0\0\0\0\0",
 H=255,LEAD=80,MIN=60000,MOST=12000,
 IDLE=0,SET=1,PLAY=2,WAIT=3,HELD=4; // player.py: armed, running, waiting, paused
function b1(){return String.fromCharCode.apply(null,arguments);}
var b2=x=>b1(x&255,x>>8&255);
var b4=x=>b2(x)+b2(x>>>16);

// --- the clock: what setTime() moves is taken back, see tenuto.boot.js
var id=S.readJSON(ID,1)||{};
function keep(){S.writeJSON(ID,id);}
var now=()=>Math.round((getTime()+id.off)*1000-id.t0);

// --- the log: two files of H records in turn, each byte written once; in RAM where there is no room
var next=0,mem,from;
var half=n=>"tenuto.log"+((n/H|0)&1);
var first=()=>mem?(next-from>H?next-H:Math.max(0,from-H)):Math.max(0,id.at-H);
function get(n,k){
 var o=n%H*16,m=mem&&n>=from;
 k=Math.min(k,next-n,H-n%H,m?k:(mem?from:next)-n)*16;
 return m?E.toString(mem.slice(o,o+k)):S.read(half(n),o,k);
}
function rec(t,kind,n,a,b,c){
 var i,d=b4(t)+b1(kind,n)+b2(Math.min(a||0,65535))+b4(b||0)+b4(c||0);
 if(next%H==0&&!mem){
  S.erase(half(next));
  try{i=S.write(half(next),"\xff",0,H*16);}catch(e){}
  if(i){id.at=next;keep();}
  else{mem=new Uint8Array(H*16);from=next;}
 }
 if(mem)mem.set(E.toUint8Array(d),next%H*16);
 else S.write(half(next),d,next%H*16,H*16);
 return next++;
}

// --- the motor and what it may run in a minute: a ring of (pause before, pulse), as limits.py has it
var L=new Uint16Array(256),lf=0,lc=0,lfe=0,le=0,lt=0;
function old(t){while(lc&&lfe<=t-MIN){lt-=L[lf*2+1];lf=(lf+1)%128;lc--;if(lc)lfe+=L[lf*2]+L[lf*2+1];}}
function since(t){
 var s=lt,e=lfe,k,i;
 for(k=0;k<lc;k++){
  i=(lf+k)%128*2;if(k)e+=L[i]+L[i+1];
  if(e>t)return s-Math.max(0,L[i+1]-(e-t));
  s-=L[i+1];
 }
 return s;
}
function minute(t){old(t);return since(t-MIN);}
function book(ms,t){
 var i=(lf+Math.min(lc,127))%128*2;
 lt+=ms;
 if(lc>127)L[i+1]+=ms;
 else{L[i]=lc?Math.max(0,t-le):0;L[i+1]=ms;if(!lc)lfe=t+ms;lc++;}
 le=t+ms;
}
var Q=[],qi=0,on=0,left=0,bdue=-1,felt,ends=[];
function halt(t){
 digitalWrite(VIBRATE,0);
 var r=le-t,i=(lf+lc+127)%128*2,ran;
 if(on&&r>0&&lc){
  ran=Math.max(0,L[i+1]-r);L[i+1]=ran;lt-=r;le=t;
  if(lc==1)lfe=t;
  if(!ran){le-=L[i];lc--;}
 }
 on=0;
}
function quiet(t){bdue=-1;halt(t);}
function buzz(t){
 var ms,m,r=ends.length;
 // An end that was ordered for a pulse that was cut since cannot be called off.
 ends=ends.filter(e=>e>=t);
 if(on&&t<bdue&&ends.length<r)digitalWrite(VIBRATE,1);
 while(bdue>=0&&t>=bdue){
  if(on){halt(t);qi+=2;bdue=qi<Q.length?bdue+Q[qi-1]:-1;continue;}
  ms=Math.min(Q[qi],1000,left);old(t);
  if(lt+ms>MOST||ms<20){
   // As much of it as has room in every minute.
   for(r=0;r<ms;){m=r+ms+1>>1;if(since(t+m-MIN)+m<=MOST)r=m;else ms=m-1;}
   if(ms<20){felt=qi>0;bdue=-1;return;}
  }
  // The hardware's timer ends the pulse, also while JavaScript is busy; it cannot end a PWM.
  on=1;digitalWrite(VIBRATE,1);VIBRATE.writeAtTime(0,getTime()+ms/1000);ends.push(t+ms);
  left-=ms;bdue=t+ms;book(ms,t);
 }
}
function play(q,t){if(on)halt(t);Q=q;qi=0;left=3000;felt=1;bdue=q.length?t:-1;buzz(t);}
function onMs(q,i){for(var s=0;i<q.length;i+=2)s+=q[i];return s;}
var rest=()=>bdue<0?0:onMs(Q,qi+on*2);

// What was replaced stays in the flash until it is compacted, which takes seconds: not in a session.
function tidy(){
 var f=S.getStats();
 if(!p.st&&f.freeBytes<4e4&&f.trashBytes>4e4)S.compact();
}

// --- the plans: four places; in each file the plan's id, then its bytes, which are read in place
var P,V;
var file=i=>"tenuto.plan"+i;
function find(x){for(var i=0;i<4;i++)if(S.read(file(i),0,8)===x)return i;return -1;}
var u1=o=>V.getUint8(o+8);
var u2=o=>V.getUint16(o+8,1);
var u4=o=>V.getUint32(o+8,1);
function view(f){
 var a=S.readArrayBuffer(f);
 P=V=0;an=-1;
 if(!a)return;
 V=new DataView(a);
 var n=u1(4),k=u1(5),c=16+n*20,q=c+5*u2(6);
 P={id:S.read(f,0,8),n:n,k:k,cues:c,pat:q,names:q+k+5*u2(8)};
}
function open(){view(file(id.cur|0));}
function step(n){
 var o=16+n*20,f=u1(o+6);
 return {kind:u1(o),pace:f&1,open:f&2,gate:u1(o+7),ms:u4(o+8),wait:u4(o+12),cue:P.cues+5*u2(o+16),cues:u1(o+18),lim:u1(o+19)};
}
function cueAt(s,i,ms){var o=s.cue+i*5,m=u4(o);return u1(o+4)>127?ms-m:m;}
var cueOf=(s,i)=>u1(s.cue+i*5+4)&127;
function pattern(c){
 var o=P.pat+P.k,q=[],k;
 if(c<P.k){
  for(k=0;k<c;k++)o+=5*u1(P.pat+k);
  for(k=u1(P.pat+c);k;k--,o+=5)q.push(u2(o+1),u2(o+3));
 }
 return q;
}
function name(i){
 var o=P.names;
 while(i--)o+=1+u1(o);
 return E.toString(new Uint8Array(V.buffer,o+9,u1(o)));
}
// A function that returns when the next cue comes, and which; from cue i of step n, begun at `at`.
function walk(n,at,i,ms,low){
 var x;
 return ()=>{
  while(n<P.n){
   x=x||step(n);
   if(ms===undefined)ms=x.ms;
   if(i<x.cues)return [at+cueAt(x,i,ms),cueOf(x,i++)];
   at=Math.max(at+ms,low||0);n++;i=0;x=ms=undefined;
  }
 };
}
// Whether the motor runs too much in a minute of the plan, as limits.py counts.
function full(){
 var old=walk(0,0,0),come=walk(0,0,0),next=come(),sum=0,out=0,end=-1,x,q,k,at,from,ons=[],all=[];
 for(k=0;k<P.k;k++){q=pattern(k);ons.push(onMs(q,0));all.push(ons[k]+onMs(q,1));}
 while(next){
  x=next;next=come();k=ons[x[1]]||0;
  if(sum+k<=MOST){sum+=k;continue;}
  at=x[0];q=pattern(x[1]);
  for(k=0;k<=q.length;k+=2){
   if(k<q.length){sum+=q[k];at+=q[k];}
   from=(next?Math.min(at,next[0]):at)-MIN;
   while(end<=from){sum-=out;x=old();out=ons[x[1]]||0;end=x[0]+(all[x[1]]||0);}
   if(sum-(k<q.length?Math.max(0,out-end+from):0)>MOST)return 1;
   at+=q[k+1];
  }
 }
}
// The status and why the plan in view is not played, "" if it is.
function wrong(z){
 var i,o,f,c=0,n=P.n,k=P.k,p=0;
 if(u1(2)!=2)return "\x15plan version "+u1(2);
 if(!n||n>254||P.names+u2(10)+4!=z)return "\x0dsizes do not add up";
 for(i=0;i<k;i++)p+=u1(P.pat+i);
 if(p!=u2(8))return "\x0dpulses do not add up";
 for(i=0;i<n;i++){
  o=16+i*20;f=u1(o+6);
  if(u1(o)>4||(u1(o+2)&3)>2||f&12)return "\x15step "+i+" asks for what is not known";
  if(u2(o+16)!=c||(u1(o)==4)!=(i==n-1)||f&2&&u1(o)!=1)return "\x0dstep "+i+" is wrong";
  c+=u1(o+18);
 }
 return c!=u2(6)?"\x0dcues do not add up":full()?"\x0dthe motor runs too much in a minute":"";
}

// --- the player, as player.py has it
var sensor=on=>Bangle.setHRMPower(on,"tenuto");
var p={st:IDLE,n:255,anc:0,ms:0,cue:0,early:0,stop:0,pau:0,res:0,sess:-1,t0:0,pos:0,back:0,due:0},
 s,ahead,an,pend,era=0,bpm=0,bat=-1e9,tm,done=[],con={},upl,told=-1e9,hostBeat=-1e9;
function note(k){
 // Nothing to go on with: the next app need not load the player.
 if(k&&!p.st&&!con.key&&!minute(now()))S.erase(RUN);
 else if(p.st||k)S.writeJSON(RUN,{p:p.st?p:undefined,m:minute(now()),l:k&&[lf,lc,lfe,le,lt,btoa(E.toString(L.buffer))],c:con,a:NRF.getSecurityStatus().connected_addr,d:done,b:[bpm,bat,told,hostBeat]});
}
function arm(){
 var a=p.ms;
 if(p.st==PLAY){
  pend=2;
  if(p.cue<s.cues){pend=0;a=cueAt(s,p.cue,p.ms)-LEAD;}
  else if(!(s.pace||s.gate||s.lim)&&an==p.n+1&&p.early<ahead.cues&&cueAt(ahead,p.early,ahead.ms)<LEAD){
   pend=1;a+=cueAt(ahead,p.early,ahead.ms)-LEAD;
  }
  p.due=p.anc+a;
  if(pend==2)p.due=Math.max(p.due,p.res);
 }else if(p.st==WAIT)p.due=p.anc+s.wait;
 else if(p.st==HELD)p.due=p.pau+3600000;
}
var elapsed=t=>p.st==HELD?p.stop:p.st>=PLAY?t-p.anc:0;
// Whether step n, begun at `at`, and what follows keep the motor within its budget in each minute.
function room(n,at,t,sum,i,ms){
 if(!sum&&!minute(t))return 1; // no minute of a plan by itself is too full
 if(sum+minute(t)>MOST)return 0;
 for(var next=walk(n,at,i,ms,t-LEAD),x,a,q,k;(x=next())&&x[0]<t+MIN;){
  a=Math.max(x[0],t);q=pattern(x[1]);k=onMs(q,0);
  if(sum+k+lt<=MOST||sum+k+since(a-MIN)<=MOST){sum+=k;continue;}
  for(k=0;k<q.length;k+=2){
   a+=q[k];sum+=q[k];
   if(sum+since(a-MIN)>MOST)return 0;
   a+=q[k+1];
  }
 }
 return 1;
}
var begins=(n,at,t,sum)=>room(n,at-LEAD,t,sum,0);
var goesOn=(t,sum)=>room(p.n,t-elapsed(t)-LEAD,t,sum,p.cue,p.ms);
function feel(q,what,t){
 var k=onMs(q,0);
 if(p.st==IDLE?minute(t)+k<=MOST:p.st==SET?begins(0,p.due,t,k):goesOn(t,k)){play(q,t);return 1;}
 rec(t,16,p.n,what,minute(t));
}
function cueNow(c,t){if(feel(pattern(c),c,t))rec(t,5,p.n,c,0,LEAD);}
function waits(t){
 var f=t-bat<=5000;
 if(s.gate&&!(f&&bpm<s.gate)||s.lim&&f&&bpm>=s.lim)return 2;
 return s.pace&&!p.pos?1:0;
}
function enter(n,at,t){
 s=n==an?ahead:step(n);
 p.n=n;p.anc=at;p.ms=s.ms;p.cue=p.early;p.early=p.pos=0;
 rec(t,3,n,0,p.ms);
}
function begin(n,at,t){
 p.early=0;enter(n,at,t);
 if(s.cues)p.anc+=Math.max(0,LEAD-cueAt(s,0,s.ms));
}
function leave(out,t){rec(t,4,p.n,out,Math.max(0,elapsed(t)),p.ms);}
function end(why,src,out,t){
 era++;leave(out,t);p.n=255;p.st=IDLE;
 rec(t,13,255,why|src<<8,t-p.t0);
 S.erase(RUN);sensor(0);
}
function start(src,t){
 if(!P)return 1;
 if(!(p.st==SET&&t>=p.due)&&!begins(0,t,t,rest()))return 18;
 var at=p.st==SET?Math.min(t,p.due):t;
 era++;p.t0=t;p.n=255;p.back=p.app=p.res=0;
 p.sess=rec(t,2,255,src,u4(-8),u4(-4));
 p.st=PLAY;begin(0,at,t);sensor(1);
 id.sess=p.sess;keep();
 return 0;
}
function unpause(src,t){p.anc=t-p.stop;p.res=t;rec(t,7,p.n,src,t-p.pau);}
function holdBefore(n){while(--n>=0)if(step(n).kind==1)return n;return -1;}
// 0: step n is no phase, 1: it is one, 2: one of the same repetition as the step before.
function follows(n){
 var o=16+n*20,b=o-20,i;
 if(u1(o)!=1||u1(o+2)<4)return 0;
 if(!n||u1(b)!=1||(u1(o+2)^u1(b+2))&3)return 1;
 for(i=1;i<6;i++)if(i!=2&&u1(o+i)!=u1(b+i))return 1;
 return 2;
}
function firstPhase(n){while(n>0&&follows(n)>1)n--;return n;}
// What a command, a gesture or the time brings about: 0, or why it is refused.
function choose(i){
 if(p.st||i<0)return;
 id.cur=i;keep();era++;open();
}
function input(c,arg,src,t){
 var n,q;
 if(p.st<=SET){
  if(c==0)return start(src,t);
  if(c==7){
   if(!P)return 1;
   if(arg<=t)return 9;
   if(arg-t>86400000)return 8;
   q=step(0);n=arg-(q.cues?Math.max(0,LEAD-cueAt(q,0,q.ms)):0);
   if(!begins(0,Math.max(n,t),t,rest()))return 18;
   p.due=n;p.st=SET;era++;return 0;
  }
  if(c==5&&p.st==SET){era++;p.st=IDLE;quiet(t);S.erase(RUN);return 0;}
  return 3;
 }
 switch(c){
 case 0:case 7:return 4;
 case 1:if(p.st==HELD)return 5;
  p.stop=t-p.anc;p.pau=t;quiet(t);
  rec(t,6,p.n,src,Math.max(0,p.stop));
  cueNow(8,t);p.st=HELD;return 0;
 case 2:if(p.st!=HELD)return 6;
  if(p.back&&!goesOn(t,rest()))return 18;
  p.back=0;unpause(src,t);cueNow(1,t);p.st=PLAY;return 0;
 case 3:case 4:
  if(c==3){
   n=p.n+1;
   if(n==P.n)return 8;
   if(follows(p.n))while(follows(n))n++;
  }else{
   n=firstPhase(p.n);
   if(s.kind!=1||!(n<p.n||elapsed(t)>3000))n=firstPhase(holdBefore(n));
   n=holdBefore(n)+1;
  }
  if(!begins(n,t,t,0))return 18;
  if(p.st==HELD){unpause(src,t);p.st=PLAY;}
  quiet(t);
  rec(t,c+5,p.n,src,c>3&&n);
  leave(c-2,t);begin(n,t,t);p.st=PLAY;return 0;
 case 5:if(arg>2)return 8;quiet(t);end(arg||1,src,3,t);return 0;
 case 6:if(p.st==WAIT||s.kind!=1)return 7;
  if(arg<1||arg>600000||p.ms+arg>3600000)return 8;
  p.ms+=arg;p.early=0;rec(t,10,p.n,src,arg,p.ms);return 0;
 }
 return 12;
}
function go(at,t){leave(0,t);begin(p.n+1,at,t);p.st=PLAY;}
// Do what is due.
function run(t){
 var n,late,c;
 while(p.st!=IDLE&&t>=p.due){
  if(p.st==SET)start(0,t);
  else if(p.st==HELD){quiet(t);end(1,0,3,t);}
  else if(p.st==WAIT){
   if(s.pace&&!p.pos||s.lim&&bpm>=s.lim){quiet(t);end(1,0,3,t);}
   else go(Math.min(t,p.due),t);
  }
  else if(pend<2){
   n=p.n+pend;late=t-p.due;c=pend?cueOf(ahead,p.early++):cueOf(s,p.cue++);
   play(pattern(c),t);
   if(felt)rec(t,5,n,c,late,LEAD);else rec(t,16,n,c,minute(t));
  }
  else if(p.n+1==P.n)end(0,0,0,t);
  else if(waits(t)){
   rec(t,11,p.n,waits(t),Math.max(0,p.anc+s.wait-t));
   if(s.lim&&bpm>=s.lim)cueNow(8,t);
   p.st=WAIT;
  }
  else if(p.anc+p.ms<p.res)go(Math.min(t,p.due),t);
  else{leave(0,t);enter(p.n+1,p.anc+p.ms,t);}
  arm();
 }
 // The next step is read long before it begins.
 n=p.st==SET?0:p.n+1;
 if(p.st>=SET&&p.st<=WAIT&&n!=an&&n<P.n){ahead=step(n);an=n;if(p.st==PLAY)arm();}
}
var noted;
function tick(){
 var t=now(),d=1e9,k;
 if(tm)clearTimeout(tm);
 tm=0;
 run(t);buzz(t);
 k=[p.st,p.n,p.ms,p.anc,p.pos,p.st==SET&&p.due]+"";
 if(noted!=k){noted=k;note();if(global.TENUTO.show)global.TENUTO.show();}
 if(pairing&&t>=pairing)shut([300,0],t);
 if(resend&&t>=resend){con.sent=con.ack;resend=0;}
 if(con.on&&con.sent<first())con.sent=con.ack=first();
 while(con.on&&con.sent<next&&con.sent-con.ack<64){
  k=get(con.sent,Math.min(5,64-con.sent+con.ack));
  out("\xb2\0"+b4(con.sent)+k);con.sent+=k.length/16;
  if(!resend)resend=t+5000;
 }
 if(p.st)d=p.due-t;
 if(bdue>=0)d=Math.min(d,bdue-t);
 if(on)ends.forEach(e=>{d=Math.min(d,e+1-t);});
 if(pairing)d=Math.min(d,pairing-t);
 if(resend)d=Math.min(d,resend-t);
 // In a clock the button opens the launcher besides: the session's own screen comes between two cues.
 if(p.st==PLAY&&d>2500&&!p.app&&!global.TENUTO.show&&S.read("tenuto.app.js",0,1)){p.app=1;load("tenuto.app.js");return;}
 if(d<1e9)tm=setTimeout(tick,Math.max(0,d));
}
function obey(c,arg,src,t){
 run(t);
 var r=input(c,arg,src,t);
 if(!r)arm();
 run(t);
 return r;
}
function beat(b,rr,mark,t){
 var logged=con.on||t-told>=5000;
 run(t);
 if(logged)told=t;
 if(b<1||b>255)return;
 bpm=b;bat=t;
 if(logged&&p.st>=PLAY)rec(t,12,p.n,b|mark,rr[0]|rr[1]<<16,rr[2]|rr[3]<<16);
 if(p.st==WAIT&&!waits(t)){go(t,t);arm();run(t);}
}

// --- the button: press, double press, long press; what it means is fixed when it goes down
var down=0,presses=0,bt,made,gap=-1e9;
var moment=()=>[era,p.n,p.st==HELD?2:p.st>=PLAY?(s.open?8:s.pace&&!p.pos?9:1):0];
function gesture(g){
 var t=now(),m=moment(),c=[0,m[2],3,5][g],r,k,ms,i;
 presses=0;bt=0;run(t);
 if(p.st<=SET&&!global.TENUTO.show)return;
 if(p.st==IDLE&&g>1){
  if(g==2)gap=t;else if(t-gap<2000){pairing=t+MIN;con.old=1;if(!trusted())NRF.disconnect();feel([400,200,150,200,400,0],258,t);}
 }else{
  m=moment();
  r=g==3||m[0]==made[0]&&(g==2?m[1]==made[1]:made[2]==1?m[2]==1||m[2]>7:m[2]==made[2]&&m[1]==made[1]);
  if(r){
   if(g==1)c=made[2];
   if(c<8)obey(c,0,1,t);
   else{
    k=rest();
    if(c==9){
     p.pos=1;arm();
     if(!waits(t)&&(p.st==WAIT||begins(p.n+1,t,t,k))){go(t,t);arm();}
    }else{ // the end of an open hold
     ms=p.ms;i=p.cue;
     p.ms=Math.min(ms,Math.max(0,t-p.anc)+LEAD);
     while(p.cue<s.cues&&u1(s.cue+p.cue*5+4)<128)p.cue++;
     if(!goesOn(t,k)){p.ms=ms;p.cue=i;}
     arm();
    }
    run(t);
   }
  }
 }
 tick();
}
// --- keys and the challenge, as auth.py has them
var sha=require("crypto").SHA256,pairing;
function hmac(k,m){
 var i=new Uint8Array(64).fill(54),o=new Uint8Array(64).fill(92),n;
 for(n=0;n<16;n++){i[n]^=k.charCodeAt(n);o[n]^=k.charCodeAt(n);}
 return E.toString(sha(E.toString(o)+E.toString(sha(E.toString(i)+m))));
}
var keyId=k=>hmac(k,"tenuto key id").substr(0,8);
var trusted=()=>con.key&&id.keys.indexOf(con.key)>=0;
// Whoever sat on the link before the gesture waited for it, and is not meant by it.
var lets=()=>pairing&&!con.old;
function shut(q,t){pairing=0;if(p.st==IDLE)feel(q,258,t);}

// --- the protocol: PROTOCOL.md, a frame a line
var resend;
function out(f){Bluetooth.println("~"+btoa(f));}
function answer(op,f,v,t){
 var a=f.substr(2),x=o=>v.getUint32(2+o,1),i,k,r,span;
 switch(op){
 case 1:
  i=0x8b9|(trusted()?0:0x100)|(lets()?0x200:0);
  return "\0\x01"+b4(id.boot)+b2(8192)+b1(90)+b2(H)+b2(i)+"Bangle.js";
 case 2:return "\0"+b1(p.st,p.n,E.getBattery())+(P?P.id:NONE)+b4(p.sess)+b4(t)+
  b4(Math.max(0,elapsed(t)))+b4(p.st>SET?p.ms:0)+b4(first())+b4(next);
 case 3:return "\0"+a+b4(t);
 case 6:
  con.k=0;con.n="";
  if((con.bad|0)<3){
   con.h=a.substr(8);
   for(i=0;i<4;i++)con.n+=b4(E.hwRand());
   id.keys.forEach(k=>{if(keyId(atob(k))==a.substr(0,8))con.k=k;});
  }
  return con.n?"\0"+con.n:"\x13"+NONE+NONE;
 case 7:
  k=con.k;r=con.n;con.k=0;con.n="";
  if(r){
   i=hmac(atob(k||"AAAAAAAAAAAAAAAAAAAAAA=="),"tenuto host"+con.h+r);
   if(k&&i==a){con.key=k;return "\0"+hmac(atob(k),"tenuto band"+con.h+r);}
  }
  con.bad=(con.bad|0)+1;
  return "\x13"+NONE+NONE+NONE+NONE;
 case 8:
  k=btoa(a);
  if(k!=con.key||!trusted()){
   if(!lets())return "\x14"+NONE;
   id.keys=id.keys.filter(x=>x!=con.key&&x!=k).concat(k).slice(-4);keep();
   con={key:k};shut([150,150,150,0],t);
  }
  return "\0"+keyId(a);
 case 9:
  k=NRF.getAddress().substr(0,17).split(":").map(x=>parseInt(x,16));
  return "\0"+b1(k[5],k[4],k[3],k[2],k[1],k[0],0,0)+k.map(x=>("0"+x.toString(16)).substr(-2)).join("");
 case 16:
  i=v.getUint16(10,1);r=a.substr(0,8);
  if(find(r)>=0)return "\0"+b2(i);
  if(p.st)return "\x0a\0\0";
  if(!i||i>8192||r==NONE)return "\x08\0\0";
  if(!upl||upl.id!=r||upl.n!=i||upl.crc!=x(10)){
   upl=0;S.erase(UP);
   try{k=S.write(UP,r,0,i+8);}catch(e){k=0;}
   if(!k)return "\x08\0\0";
   upl={id:r,n:i,crc:x(10),got:0};
  }
  return "\0"+b2(upl.got);
 case 17:
  if(!upl)return "\x0e\0\0";
  i=v.getUint16(2,1);k=i+f.length-4;
  if(i>upl.got||k>upl.n)return "\x0f"+b2(upl.got);
  if(k>upl.got){S.write(UP,f.substr(4+upl.got-i),8+upl.got);upl.got=k;}
  return "\0"+b2(upl.got);
 case 18:
  i=find(a);
  if(i>=0&&P&&a==P.id)return "\0";
  if(i>=0){if(p.st)return "\x0a";choose(i);return "\0";}
  if(!upl||upl.id!=a)return "\x0e";
  if(upl.got!=upl.n)return "\x0f";
  if(p.st)return "\x0a";
  k=upl.n;r="\x0dchecksum is wrong";
  if(E.CRC32(S.read(UP,8))>>>0==upl.crc){
   if(k<20||S.read(UP,8,2)!="TP")r="\x0dnot a plan";
   else{view(UP);if(E.CRC32(S.read(UP,8,k-4))>>>0==u4(k-4))r=wrong(k);open();}
  }
  upl=0;
  if(!r){
   for(i=0;i<4&&S.read(file(i),0,1)!==undefined;)i++;
   if(i>3)i=id.order[0];
   try{r=!S.write(file(i),S.read(UP));}catch(e){r=1;}
   if(r)r="\x0dthe watch has no room";
   else{id.order=id.order.filter(x=>x!=i).concat(i);choose(i);}
  }
  S.erase(UP);tidy();
  return r||"\0";
 case 19:
  k=find(a.substr(0,8));
  if(k<0)return "\x10\0\0\0\0";
  i=v.getUint16(10,1);r=S.read(file(k),8);
  if(i>r.length)return "\x0f"+b2(r.length)+"\0\0";
  return "\0"+b2(r.length)+b2(i)+r.substr(i,80);
 case 20:
  i=a.charCodeAt(0);r=i<4&&S.read(file(i));
  if(!r)return (i<4?"\x10":"\x08")+b1(4,i)+NONE+"\0\0";
  view(file(i));k=P.id+b2(r.length-8)+name(0);open();
  return "\0"+b1(4,i)+k;
 case 32:
  i=x(1);
  done.forEach(d=>{if(d[0]==i)r=d[1];});
  if(r===undefined){
   k=v.getUint32(15,1);
   if(a.charCodeAt(0)==7){k=(k-t)|0;k+=t;}
   if(a.charCodeAt(0)%7==0&&(!P||a.substr(5,8)!=P.id))choose(find(a.substr(5,8)));
   r=a.charCodeAt(0)>7?12:!P?1:a.substr(5,8)!=P.id?2:obey(a.charCodeAt(0),k,2,t);
   if(r!=18){done.push([i,r]);if(done.length>16)done.shift();}
  }
  return b1(r,p.st)+b4(i);
 case 48:
  i=x(0);
  span=b4(first())+b4(next);
  if(i>next)return "\x08"+span;
  con.on=1;con.sent=con.ack=Math.max(i,first());resend=0;
  return (i<first()?"\x11":"\0")+span;
 }
}
function frame(f){
 var op=f.charCodeAt(0),tag=f.charCodeAt(1)|0,v=new DataView(E.toUint8Array(f).buffer),n={1:0,2:0,3:4,6:24,7:32,8:16,9:0,16:14,17:-2,18:8,19:10,20:1,32:17,33:-1,48:4,49:4}[op],t=now(),i,a;
 if(n===undefined||(n<0?f.length<2-n:f.length!=2+n))a=n===undefined?12:11;
 else if(!trusted()&&[1,6,7,8,9].indexOf(op)<0)a=19;
 else if(op==49){
  i=v.getUint32(2,1);
  if(con.on&&i>con.ack&&i<=next){con.ack=i;con.sent=Math.max(con.sent,i);resend=i<con.sent&&t+5000;}
 }else if(op==33){
  i=v.getUint8(2);a=[0,0,0,0];
  for(n=3;n+1<f.length&&n<11;n+=2)a[(n-3)/2]=v.getUint16(n,1);
  if(i){hostBeat=t;beat(i,a,256,t);}
  a=0;
 }else{out(b1(op|128,tag)+answer(op,f,v,t));a=0;}
 if(a)out(b1(255,tag,a,op));
 tick();
}
function unlink(){con={};resend=0;}
NRF.on("connect",unlink);
NRF.on("disconnect",unlink);
Bangle.on("HRM",h=>{
 var t=now();
 if(h.confidence>=60&&t-hostBeat>5000){beat(Math.round(h.bpm),[0,0,0,0],0,t);tick();}
});
setWatch(e=>{
 var d=e.state?1:0;
 if(d==down)return;
 down=d;
 if(bt)clearTimeout(bt);
 bt=0;
 if(d){
  if(!presses++)made=moment();
  bt=setTimeout(()=>{gesture(3);},800);
 }else if(presses>1)gesture(2);
 else if(presses)bt=setTimeout(()=>{gesture(1);},350);
},BTN1,{repeat:true,edge:"both",debounce:10});
E.on("kill",()=>{quiet(now());if(!global.TENUTO.gone)note(1);});

// --- what the boot file and the screen need
global.TENUTO={
 moved:s=>{id.off+=s;keep();},
 hear:e=>{
  if(e.d)frame(atob(e.d));
  else if(trusted()&&p.st!=PLAY){feel([100,100,100,100,100,100,100,100,100,0],256,now());tick();}
 },
 state:()=>{
  var t=now(),o=16+p.n*20,r,i,m=0,c=0,k,e;
  if(P&&!P.title){ // after the names of exercises and phases, if it is there
   for(i=0;i<P.n;)m=Math.max(m,u1(18+i++*20)>>2);
   for(k=P.names,e=k+u2(10);k<e;c++)k+=1+u1(k);
   m+=1+u1(3);P.title=name(c>m?m:0);
  }
  r={st:p.st,plan:P&&P.title,bpm:t-bat<5000?bpm:0,left:0,open:!!pairing,host:!!trusted()};
  if(p.st>SET){
   r.kind=s.kind;i=u1(o+2);r.side=i&3;r.up=s.open;r.left=s.open?elapsed(t)-999:p.ms-elapsed(t);
   if(i>3)r.phase=name(u1(3)+(i>>2));
   if(u1(o+1)<255)r.name=name(1+u1(o+1));
  }
  return r;
 },
 next:d=>{
  for(var i=1;i<5;i++){
   var k=((id.cur|0)+d*i+16)%4;
   if(S.read(file(k),0,1)!==undefined){choose(k);return;}
  }
 },
 command:c=>{var r=obey(c,0,1,now());tick();return r;}
};

// --- take up what load() or a reset cut
id.keys=id.keys||[];id.order=id.order||[];
open();
(()=>{
var t=now(),j=S.readJSON(RUN,1)||{},last=-1,i=id.boot!==undefined&&S.read(half(id.at));
if(i){
 for(next=id.at;next<id.at+H&&i.charCodeAt((next-id.at)*16+4)!=255;)next++;
 if(next>id.at){
  i=E.toUint8Array(get(next-1,1));
  last=t-((t-(i[0]|i[1]<<8|i[2]<<16|i[3]<<24))>>>0);
  if(t-last>=0x7fffffff)last=-1;
 }
}
if(last<0){
 last=id.boot;
 id.boot=E.hwRand()>>>0;id.off=0;id.t0=Math.round(getTime()*1000);id.at=0;id.sess=-1;
 next=0;t=now();
 rec(t,1,255,1,id.boot);
 if(j.p&&j.p.st>SET)rec(t,14,j.p.n,0,last,j.p.sess);
 S.erase(RUN);
}else{
 p.sess=id.sess;
 done=j.d||done;
 if(j.b){bpm=j.b[0];bat=j.b[1];told=j.b[2];hostBeat=j.b[3];}
 if(j.l){lf=j.l[0];lc=j.l[1];lfe=j.l[2];le=j.l[3];lt=j.l[4];L.set(new Uint16Array(E.toUint8Array(atob(j.l[5])).buffer));}
 else if(j.m)book(j.m,t-j.m);
 i=NRF.getSecurityStatus();
 if(j.c&&i.connected&&i.connected_addr==j.a){con=j.c;con.sent=con.ack;}
 if(j.p&&P){
  p=j.p;
  if(p.st==SET){if(p.due<t-5000)p.st=IDLE;}
  else{
   s=step(p.n);
   if(p.st==PLAY)while(p.cue<s.cues&&p.anc+cueAt(s,p.cue,p.ms)-LEAD<=last)p.cue++;
   arm();
   if(p.st!=HELD&&p.due<t-5000){
    p.stop=Math.min(p.ms,last-p.anc);p.pau=t;p.back=1;
    rec(t,6,p.n,3,Math.max(0,p.stop));p.st=HELD;cueNow(8,t);arm();
   }
   sensor(1);
  }
 }
}
})(); // a function: what was read takes as much as all the rest
tidy();
tick();
