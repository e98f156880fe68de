// Tenuto: runs at boot and after each load(), so it does little: the player comes when it is needed.
(function(){
var S=require("Storage"),GB0=global.GB,setTime0=global.setTime;
// A phone sets the time when it connects; the player's clock takes back what that moves.
global.setTime=function(s){
 var b=getTime(),id;
 setTime0(s);
 b-=getTime();
 if(global.TENUTO)global.TENUTO.moved(b);
 else{
  id=S.readJSON("tenuto.id",1);
  if(id&&id.boot){id.off+=b;S.writeJSON("tenuto.id",id);}
 }
};
global.GB=function(e){
 if(e.t=="tn"){require("tenuto");global.TENUTO.hear(e);}
 else if(GB0)GB0(e);
};
if(S.read("tenuto.run",0,1))require("tenuto");
})();
